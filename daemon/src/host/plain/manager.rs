//! The service manager of the machine: what runs now, as opposed to what starts at boot (`units`).

use crate::host::HostError;
use std::future::Future;

/// Orders to the service manager. Each is `Ok` once it has been carried out.
pub trait ServiceManager: Send + Sync + 'static {
    /// Reads all unit files again.
    fn reload(&self) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Asks unit `name` to read its configuration again.
    fn reload_unit(&self, name: &str) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Stops and starts unit `name`.
    fn restart_unit(&self, name: &str) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Starts a reboot.
    fn reboot(&self) -> impl Future<Output = Result<(), HostError>> + Send;
}
