//! A VXLAN pod overlay with flannel's semantics, and pod attachment
