//! Carrying the operations out, and asking what is left.

use super::content::Content;
use super::operation::Operation;
use super::operations::{operations, unfulfilled};
use super::originals::{Key, Originals};
use super::survey::Survey;
use crate::host::{Host, HostError};

/// Makes the machine what `content` says. Whatever it is now: a change that was cut off at any point is finished by
/// this, and asking again afterwards does nothing.
///
/// `kubelet` as in [`operations`].
///
/// # Errors
///
/// The first operation that the machine refused; what came before it has happened.
pub async fn apply(
    host: &impl Host,
    content: &Content,
    kubelet: Option<&str>,
) -> Result<(), HostError> {
    host.recover_packages().await?;
    let survey = Survey::of(host, content).await?;
    for operation in operations(content, &survey, kubelet) {
        carry_out(host, &operation).await?;
    }
    Ok(())
}

/// What differs between the machine and `content`, in words; empty is the proof.
///
/// # Errors
///
/// What the machine could not tell.
pub async fn prove(host: &impl Host, content: &Content) -> Result<Vec<String>, HostError> {
    let survey = Survey::of(host, content).await?;
    Ok(unfulfilled(content, &survey))
}

async fn carry_out(host: &impl Host, operation: &Operation) -> Result<(), HostError> {
    match operation {
        Operation::KeepFile { path, was } => Originals::keep_file(host, path, was.as_ref()).await,
        Operation::WriteFile { path, file } => host.write_file(path, file).await,
        Operation::WriteLink { path, target } => host.write_link(path, target).await,
        Operation::WriteDirectory { path, directory } => {
            host.write_directory(path, directory).await
        }
        Operation::RemoveDirectory { path } => host.remove_directory(path).await,
        Operation::RemoveFile { path } => host.remove_file(path).await,
        Operation::ForgetFile { path } => Originals::drop_record(host, Key::File(path)).await,
        Operation::KeepUnit { name, was } => Originals::keep_unit(host, name, *was).await,
        Operation::SetUnit { name, state } => host.set_unit(name, *state).await,
        Operation::ForgetUnit { name } => Originals::drop_record(host, Key::Unit(name)).await,
        Operation::KeepUser { name, was } => Originals::keep_user(host, name, was).await,
        Operation::SetUser { name, user } => host.set_user(name, user).await,
        Operation::ForgetUser { name } => Originals::drop_record(host, Key::User(name)).await,
        Operation::InstallKubelet { version } => host.install_kubelet(version).await,
        Operation::KeepSystem { was } => Originals::keep_system(host, was).await,
        Operation::StageSystem { system } => host.stage_system(system).await,
    }
}
