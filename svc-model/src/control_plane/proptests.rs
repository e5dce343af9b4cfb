//! Laws of the control plane.
