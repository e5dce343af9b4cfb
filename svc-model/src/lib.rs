//! Typed Kubernetes Services, pods, endpoints and Ingresses: validation, allocation, snapshots
