//! A metric with labels: one child per combination of label values.
//!
//! `prometheus` keys the children of its own `*Vec` types by a hash of the concatenated values, so
//! `("ab", "c")` and `("a", "bc")` share one counter. Names from the configuration are labels
//! here, so children are kept under the values themselves. Which labels exist is not decided here.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;
use prometheus::core::{Collector, Desc, Metric};
use prometheus::proto::{LabelPair, MetricFamily, MetricType};

use super::catalogue::{Kind, MetricDoc};

/// Children of type `M` under their label values; clones share them.
pub(super) struct Family<M> {
    inner: Arc<Inner<M>>,
}

struct Inner<M> {
    doc: &'static MetricDoc,
    desc: Desc,
    make: Box<dyn Fn(&'static MetricDoc) -> M + Send + Sync>,
    children: RwLock<BTreeMap<Vec<String>, M>>,
}

impl<M> Clone for Family<M> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<M: Metric> Family<M> {
    /// An empty family that makes a missing child with `make`.
    pub(super) fn new(
        doc: &'static MetricDoc,
        make: impl Fn(&'static MetricDoc) -> M + Send + Sync + 'static,
    ) -> Self {
        let labels = doc.labels.iter().map(ToString::to_string).collect();
        let desc = Desc::new(doc.name.into(), doc.help.into(), labels, HashMap::new())
            .expect("names and labels of the catalogue are valid, as its test checks");
        let children = RwLock::new(BTreeMap::new());
        Self { inner: Arc::new(Inner { doc, desc, make: Box::new(make), children }) }
    }

    /// The child for `values`, in the order of the catalogue's labels.
    pub(super) fn child(&self, values: &[&str]) -> M {
        debug_assert_eq!(values.len(), self.inner.doc.labels.len(), "{}", self.inner.doc.name);
        let key: Vec<String> = values.iter().map(ToString::to_string).collect();
        if let Some(child) = self.inner.children.read().get(&key) {
            return child.clone();
        }
        let mut children = self.inner.children.write();
        children.entry(key).or_insert_with(|| (self.inner.make)(self.inner.doc)).clone()
    }

    /// Forgets every child whose first label is `first`.
    pub(super) fn forget(&self, first: &str) {
        self.inner.children.write().retain(|key, _| key.first().is_none_or(|value| value != first));
    }
}

impl<M: Metric> Collector for Family<M> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.inner.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let children = self.inner.children.read();
        if children.is_empty() {
            return Vec::new();
        }
        let samples = children.iter().map(|(key, child)| {
            let mut sample = child.metric();
            sample.set_label(pairs(self.inner.doc, key));
            sample
        });
        let mut family = MetricFamily::default();
        family.set_name(self.inner.doc.name.into());
        family.set_help(self.inner.doc.help.into());
        family.set_field_type(metric_type(self.inner.doc.kind));
        family.set_metric(samples.collect());
        vec![family]
    }
}

fn pairs(doc: &MetricDoc, values: &[String]) -> Vec<LabelPair> {
    let pair = |(name, value): (&&str, &String)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).into());
        pair.set_value(value.clone());
        pair
    };
    doc.labels.iter().zip(values).map(pair).collect()
}

const fn metric_type(kind: Kind) -> MetricType {
    match kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::catalogue;
    use prometheus::IntCounter;

    #[test]
    fn values_that_concatenate_alike_are_counted_apart() {
        let family: Family<IntCounter> =
            Family::new(catalogue::doc("sidegate_upstream_responses_total"), |doc| {
                IntCounter::new(doc.name, doc.help).unwrap()
            });
        family.child(&["ab", "c"]).inc();
        assert_eq!(family.child(&["a", "bc"]).get(), 0);
        assert_eq!(family.child(&["ab", "c"]).get(), 1);
    }
}
