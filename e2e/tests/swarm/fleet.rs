//! The fleet of one seed: small, and with one of everything that behaves in its own way.

use simulation::chance::Chance;
use simulation::fleet::Description;

/// Instances of the API server, by address.
pub(crate) const API_SERVERS: [&str; 3] = ["198.18.200.1", "198.18.200.2", "198.18.200.3"];
/// What API servers, kubelets and API packages begin with, and what they are upgraded to.
pub(crate) const OLD: &str = "1.33.4";
pub(crate) const NEW: &str = "1.34.1";
/// The package that says on a RHEL worker which API it is made for.
pub(crate) const API_PACKAGE: &str = "kubernetes-client";

/// A fleet of 6 to 12 machines in up to four pools.
pub(crate) fn draw(chance: &Chance) -> Description {
    let mut draw = chance.branch("fleet");
    let masters = if draw.happens(700) { 3 } else { 1 };
    let workers = 2 + draw.below(3);
    let rhel = 2 + draw.below(2);
    let infra = draw.below(3);
    let budgets = ["1", "1", "2", "34%", "50%"];
    let mut budget = || budgets[usize::try_from(draw.below(5)).unwrap()];
    let (of_worker, of_rhel, of_infra) = (budget(), budget(), budget());
    let shop = 2 + draw.below(5);
    let search = 3 + draw.below(3);
    let instances: String = API_SERVERS
        .iter()
        .map(|address| format!("- {{ address: {address}, version: {OLD} }}\n"))
        .collect();
    let yaml = format!(
        "
apiServers:
{instances}
pools:
- {{ name: master }}
- {{ name: worker, maxUnavailable: {of_worker} }}
- {{ name: rhel, maxUnavailable: {of_rhel}, inheritsWorker: true }}
- {{ name: infra, maxUnavailable: {of_infra}, inheritsWorker: true }}
machines:
- {{ name: master, count: {masters}, roles: [master], zones: [a, b, c], os: [fedora, '43'], mode: image, kubelet: {OLD}, controlPlane: true }}
- {{ name: worker, count: {workers}, roles: [worker], zones: [a, b, c], os: [fedora, '43'], mode: image, kubelet: {OLD} }}
- {{ name: rhel, count: {rhel}, roles: [rhel, worker], zones: [a, b], os: [rhel, '9.6'], mode: package, kubelet: {OLD}, apiPackages: {{ {API_PACKAGE}: {OLD} }} }}
- {{ name: infra, count: {infra}, roles: [infra, worker], os: [debian, '13'], mode: image, kubelet: {OLD} }}
deployments:
- {{ name: shop, namespace: prod, replicas: {shop}, budget: {{ maxUnavailable: 1 }} }}
- {{ name: search, namespace: prod, replicas: {search}, budget: {{ minAvailable: 2 }}, graceSeconds: 60, stopSeconds: 20 }}
- {{ name: batch, namespace: jobs, replicas: 3 }}
daemonSets:
- {{ name: logs, namespace: kube-system, toleratesControlPlane: true }}
"
    );
    serde_saphyr::from_str(&yaml).unwrap()
}
