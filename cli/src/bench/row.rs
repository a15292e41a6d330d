//! One line of a bench's answer: what was measured, under which circumstances, and the figures.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::System;
use super::load::Measured;
use crate::output::Line;

/// A figure: its name says its unit.
pub(super) type Figure = (&'static str, f64);

/// The result of one scenario.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "bench")]
pub(super) struct Row {
    pub(super) scenario: String,
    pub(super) system: System,
    /// Milliseconds added to every sync.
    pub(super) sync_delay_ms: f64,
    #[serde(serialize_with = "as_map")]
    pub(super) figures: Vec<Figure>,
    /// Everything that must hold of a run did hold.
    pub(super) holds: bool,
}

fn as_map<S: Serializer>(figures: &[Figure], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(figures.len()))?;
    for (name, value) in figures {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

impl Line for Row {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let system = self.system.name();
        write!(out, "{} at {system}", self.scenario)?;
        if self.sync_delay_ms > 0.0 {
            write!(out, ", {} ms added to every sync", self.sync_delay_ms)?;
        }
        writeln!(out, "{}", if self.holds { "" } else { ": NOT ALL THAT MUST HOLD HELD" })?;
        for (name, value) in &self.figures {
            writeln!(out, "  {:<28} {:>14}", name.replace('_', " "), readable(*value))?;
        }
        Ok(())
    }
}

/// Four digits are more than any of these figures is worth.
fn readable(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 => 2,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

impl Measured {
    /// The figures of a load.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let per_100k = 100_000.0 / self.delivered.max(1.0);
        let us = |quantile: f64, of: &hdrhistogram::Histogram<u64>| of.value_at_quantile(quantile) as f64;
        vec![
            ("publishes_s", self.published / self.seconds),
            ("deliveries_s", self.delivered / self.seconds),
            ("delivery_p50_us", us(0.5, &self.delivery)),
            ("delivery_p99_us", us(0.99, &self.delivery)),
            ("delivery_p999_us", us(0.999, &self.delivery)),
            ("acknowledged_p50_us", us(0.5, &self.acknowledged)),
            ("acknowledged_p99_us", us(0.99, &self.acknowledged)),
            ("server_cpu_s_per_100k", self.server.cpu * per_100k),
            ("server_cores", self.server.cpu / self.seconds),
            ("server_system_share", self.server.system / self.server.cpu.max(1e-9)),
            ("own_cores", self.own_cores),
            ("other_cores", self.other_cores),
            ("server_memory_mib", self.server.resident / f64::from(1 << 20)),
            ("disk_bytes_per_publish", self.server.written / self.published.max(1.0)),
            ("missing", self.missing as f64),
            ("disordered", self.disordered as f64),
            ("failed", self.failed as f64),
        ]
    }

    /// Everything arrived, once and in order, and something did.
    pub(super) fn holds(&self) -> bool {
        self.missing == 0 && self.disordered == 0 && self.failed == 0 && self.delivered > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_a_map_for_machines_and_a_list_for_people() {
        let row = Row {
            scenario: "in-flight-1".to_owned(),
            system: System::Bare,
            sync_delay_ms: 1.0,
            figures: vec![("publishes_s", 12_345.678), ("server_cores", 0.25)],
            holds: true,
        };
        let json = serde_json::to_string(&row).expect("it serialises");
        assert_eq!(
            json,
            r#"{"type":"bench","scenario":"in-flight-1","system":"bare","sync_delay_ms":1.0,"figures":{"publishes_s":12345.678,"server_cores":0.25},"holds":true}"#
        );
        let mut text = Vec::new();
        row.write(&mut text).expect("a vector takes everything");
        let text = String::from_utf8(text).expect("text");
        assert!(text.starts_with("in-flight-1 at bare, 1 ms added to every sync\n"), "{text}");
        assert!(text.contains("12346") && text.contains("0.25"), "{text}");
    }
}
