//! Rootless labs of network namespaces: hosts, pods, a switch, packet capture
