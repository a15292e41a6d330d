//! What is counted, for Prometheus. Counts and sizes only; no label ever holds an identifier, a name or an address.
//!
//! Each relay has a recorder of its own, so that two in one process do not add up, and keeps the handles, so that
//! counting costs one atomic addition.

use std::sync::{Arc, OnceLock};

use kring_protocol::message::Request;
use kring_protocol::refusal::Refusal;
use metrics::{Counter, Gauge, Recorder, counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// Declares the metrics once: field, kind, name and meaning.
macro_rules! declared {
    ($( $field:ident: $kind:ident, $make:ident, $describe:ident, $name:literal, $meaning:literal; )*) => {
        /// The handles of everything that is counted.
        pub(crate) struct Metrics {
            recorder: Arc<PrometheusRecorder>,
            exposition: PrometheusHandle,
            /// Requests of the kind that comes most, once there was one.
            submissions: OnceLock<Counter>,
            $( #[doc = $meaning] pub(crate) $field: $kind, )*
        }

        impl Metrics {
            /// A recorder with every metric declared, each at 0.
            pub(crate) fn new() -> Self {
                let recorder = Arc::new(PrometheusBuilder::new().build_recorder());
                let exposition = recorder.handle();
                $( let $field = with_local_recorder(&*recorder, || {
                    $describe!($name, $meaning);
                    $make!($name)
                }); )*
                Self { recorder, exposition, submissions: OnceLock::new(), $( $field, )* }
            }
        }

        /// The names, for the test that scrapes them.
        #[cfg(test)]
        pub(crate) const NAMES: &[&str] = &[$( $name, )*];
    };
}

declared! {
    connections: Gauge, gauge, describe_gauge, "kring_connections", "Connections that have said hello";
    connections_opened: Counter, counter, describe_counter, "kring_connections_opened_total", "Connections that have said hello since the start";
    connections_shed: Counter, counter, describe_counter, "kring_connections_shed_total", "Connections refused because of a limit";
    handshakes_failed: Counter, counter, describe_counter, "kring_handshakes_failed_total", "Connections that ended before their hello was answered";
    request_bytes: Counter, counter, describe_counter, "kring_request_bytes_total", "Bytes of requests received";
    proofs_verified: Counter, counter, describe_counter, "kring_proofs_verified_total", "Access proofs whose signature was checked";
    pushes: Counter, counter, describe_counter, "kring_pushes_total", "Messages written to push streams";
    push_bytes: Counter, counter, describe_counter, "kring_push_bytes_total", "Bytes written to push streams";
    push_writes: Counter, counter, describe_counter, "kring_push_writes_total", "Writes to push streams, each with all that waited";
    queue_full: Counter, counter, describe_counter, "kring_queue_full_total", "Messages that found a connection's queue full";
    requests_timed_out: Counter, counter, describe_counter, "kring_requests_timed_out_total", "Requests that did not arrive, or whose answer was not taken, in time";
    requests_in_flight: Gauge, gauge, describe_gauge, "kring_requests_in_flight", "Requests being received or answered";
    backlog_records: Counter, counter, describe_counter, "kring_backlog_records_total", "Records sent as backlog";
    disk_free: Gauge, gauge, describe_gauge, "kring_disk_free_bytes", "Free bytes on the disk of the data folder";
    disk_alarm: Gauge, gauge, describe_gauge, "kring_disk_alarm", "1 while nothing new is taken for want of disk space";
    crls_taken: Counter, counter, describe_counter, "kring_crls_taken_total", "Revocation lists taken, those that were there already included";
    revoked: Counter, counter, describe_counter, "kring_revoked_total", "Live connections closed because their certificate is no longer believed";
    enrolment_visits: Counter, counter, describe_counter, "kring_enrolment_visits_total", "Connections of devices without a certificate";
    tickets_guessed: Counter, counter, describe_counter, "kring_tickets_guessed_total", "Requests about tickets that do not exist";
    reloads: Counter, counter, describe_counter, "kring_reloads_total", "Times that certificates were read again";
    draining: Gauge, gauge, describe_gauge, "kring_draining", "1 while the relay is stopping";
}

/// Name of the counter of requests, by kind.
const REQUESTS: &str = "kring_requests_total";
/// Name of the counter of refusals, by number.
const REFUSALS: &str = "kring_refusals_total";

impl Metrics {
    /// Counts a request by its kind; kinds are the protocol's own words, never a peer's.
    pub(crate) fn request(&self, request: &Request) {
        if let Request::Submit(_) = request {
            // Most requests are, and finding a counter by its name costs more than all the rest of counting.
            return self.submissions.get_or_init(|| self.kind(request)).increment(1);
        }
        self.kind(request).increment(1);
    }

    fn kind(&self, request: &Request) -> Counter {
        with_local_recorder(&*self.recorder, || counter!(REQUESTS, "kind" => request.name()))
    }

    /// Counts a refusal by its number.
    pub(crate) fn refusal(&self, refusal: &Refusal) {
        let number = refusal.number().to_string();
        with_local_recorder(&*self.recorder, || counter!(REFUSALS, "number" => number).increment(1));
    }

    /// The text that Prometheus reads.
    pub(crate) fn exposition(&self) -> String {
        self.exposition.run_upkeep();
        self.exposition.render()
    }

    /// For what counts by the process's own recorder; the first relay of a process is the one that shows it.
    pub(crate) fn install(&self) {
        let recorder: Arc<dyn Recorder + Send + Sync> = self.recorder.clone();
        let _already_set = metrics::set_global_recorder(recorder);
    }
}
