//! Orders over D-Bus, to a systemd that plays along on a socket of its own.

use super::*;
use std::sync::Mutex as StdMutex;
use zbus::connection::Builder;
use zbus::object_server::SignalEmitter;
use zbus::{OwnedObjectPath, interface};

/// What the player was asked for.
type Log = Arc<StdMutex<Vec<String>>>;

struct Player {
    log: Log,
    jobs: u32,
}

impl Player {
    fn note(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    /// Ends one job of somebody else's and then this one, before its number is told.
    async fn run(&mut self, emitter: &SignalEmitter<'_>, unit: &str) -> OwnedObjectPath {
        self.jobs += 1;
        let path = |number: u32| {
            let path = format!("/org/freedesktop/systemd1/job/{number}");
            OwnedObjectPath::try_from(path).unwrap()
        };
        let job = path(self.jobs);
        let result = if unit.starts_with("broken") {
            "failed"
        } else {
            "done"
        };
        Self::job_removed(emitter, 99, path(99), "other.service", "failed")
            .await
            .unwrap();
        Self::job_removed(emitter, self.jobs, job.clone(), unit, result)
            .await
            .unwrap();
        job
    }
}

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Player {
    fn subscribe(&self) {
        self.note("subscribe".into());
    }

    fn reload(&self) {
        self.note("reload".into());
    }

    async fn restart_unit(
        &mut self,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        name: &str,
        mode: &str,
    ) -> zbus::fdo::Result<OwnedObjectPath> {
        if name.starts_with("no-such") {
            return Err(zbus::fdo::Error::Failed(format!("Unit {name} not found.")));
        }
        self.note(format!("restart {name} {mode}"));
        Ok(self.run(&emitter, name).await)
    }

    async fn reload_unit(
        &mut self,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        name: &str,
        mode: &str,
    ) -> OwnedObjectPath {
        self.note(format!("reload {name} {mode}"));
        self.run(&emitter, name).await
    }

    fn reboot(&self) {
        self.note("reboot".into());
    }

    #[zbus(signal)]
    async fn job_removed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        job: OwnedObjectPath,
        unit: &str,
        result: &str,
    ) -> zbus::Result<()>;
}

/// A root whose systemd is a player; what it is asked for.
async fn played(
    order: impl AsyncFnOnce(Systemd) -> Result<(), HostError>,
) -> (Vec<String>, Result<(), HostError>) {
    let root = tempfile::tempdir().unwrap();
    let socket = root.path().join("run/systemd/private");
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let log = Log::default();
    let player = Player {
        log: Arc::clone(&log),
        jobs: 0,
    };
    let serve = async {
        let accepted = tokio::task::spawn_blocking(move || listener.accept().unwrap().0);
        let connection = Builder::unix_stream(accepted.await.unwrap())
            .server(zbus::Guid::generate())
            .p2p()
            .serve_at("/org/freedesktop/systemd1", player)
            .build()
            .await
            .unwrap();
        std::future::pending::<()>().await;
        drop(connection);
    };
    let ordered = tokio::select! {
        ordered = order(Systemd::of(root.path())) => ordered,
        () = serve => unreachable!(),
    };
    let asked = log.lock().unwrap().clone();
    (asked, ordered)
}

#[tokio::test]
async fn a_unit_is_restarted_and_waited_for() {
    let (asked, ordered) = played(async |systemd| systemd.restart_unit("a.service").await).await;
    ordered.unwrap();
    assert_eq!(asked, ["subscribe", "restart a.service replace"]);
}

#[tokio::test]
async fn a_unit_that_does_not_come_up_is_an_error_that_names_it() {
    let (_, ordered) = played(async |systemd| systemd.restart_unit("broken.service").await).await;
    let error = ordered.unwrap_err().in_full();
    assert!(error.contains("journalctl -u broken.service"), "{error}");
}

#[tokio::test]
async fn a_unit_that_systemd_does_not_know_is_an_error_in_its_words() {
    let (_, ordered) = played(async |systemd| systemd.restart_unit("no-such.service").await).await;
    let error = ordered.unwrap_err().in_full();
    assert!(error.contains("Unit no-such.service not found."), "{error}");
}

#[tokio::test]
async fn unit_files_are_read_again_and_a_service_reads_its_configuration() {
    let (asked, ordered) = played(async |systemd| {
        systemd.reload().await?;
        Ok(())
    })
    .await;
    ordered.unwrap();
    assert_eq!(asked, ["reload"]);
    let (asked, ordered) = played(async |systemd| systemd.reload_unit("a.service").await).await;
    ordered.unwrap();
    assert_eq!(asked, ["subscribe", "reload a.service replace"]);
}

#[tokio::test]
async fn a_machine_without_logind_is_rebooted_by_systemd() {
    let (asked, ordered) = played(async |systemd| systemd.reboot().await).await;
    ordered.unwrap();
    assert_eq!(asked, ["reboot"]);
}

#[tokio::test]
async fn a_root_without_systemd_says_so() {
    let root = tempfile::tempdir().unwrap();
    let error = Systemd::of(root.path()).reload().await.unwrap_err();
    assert!(error.to_string().contains("service manager"), "{error}");
}
