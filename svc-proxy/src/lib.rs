//! Kubernetes Services compiled to kernel rules: plan, diff, apply

mod config;
pub mod plan;

pub use config::{Detector, Node, NodeBuilder, NodeError, NodePortAddresses, PodSource};
pub use plan::Plan;
