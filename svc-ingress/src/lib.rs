//! A Kubernetes Ingress router on hyper and rustls
