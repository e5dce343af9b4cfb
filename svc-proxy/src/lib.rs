//! Kubernetes Services compiled to kernel rules: plan, diff, apply
