//! Clusters of a given size for the benches.
