//! The balancer before the API servers: it passes bytes on, to whichever of them answers, and can cut all connections.

use std::net::SocketAddr;
use std::sync::Arc;

use e2e::control_plane::ControlPlane;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A balancer on loopback, gone with the value.
pub(crate) struct Balancer {
    url: String,
    cut: Arc<watch::Sender<u64>>,
    task: JoinHandle<()>,
}

impl Balancer {
    /// Before these API servers of a control plane.
    pub(crate) async fn before(cluster: &ControlPlane, instances: &[usize]) -> Self {
        let servers: Vec<SocketAddr> = instances
            .iter()
            .map(|instance| cluster.listens_at(*instance).into())
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(watch::Sender::new(0));
        let task = tokio::spawn(pass_on(listener, servers, Arc::clone(&cut)));
        Self {
            // A name that the API servers' certificates have.
            url: format!("https://localhost:{port}"),
            cut,
            task,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Cuts every connection that there is, and with it every watch.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|count| *count += 1);
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(listener: TcpListener, servers: Vec<SocketAddr>, cut: Arc<watch::Sender<u64>>) {
    let mut passing = JoinSet::new();
    for first in 0_usize.. {
        let Ok((mut here, _)) = listener.accept().await else {
            return;
        };
        let (servers, mut cut) = (servers.clone(), cut.subscribe());
        passing.spawn(async move {
            for n in 0..servers.len() {
                let server = servers[(first + n) % servers.len()];
                let Ok(mut there) = TcpStream::connect(server).await else {
                    continue;
                };
                // A connection that breaks is what this is for.
                tokio::select! {
                    _ = cut.changed() => {}
                    _ = copy_bidirectional(&mut here, &mut there) => {}
                }
                return;
            }
        });
        while passing.try_join_next().is_some() {}
    }
}
