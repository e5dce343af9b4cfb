//! DNS answers for Kubernetes Services: a sans-IO responder, a server, forwarding
