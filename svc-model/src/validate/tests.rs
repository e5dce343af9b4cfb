//! Every rule, kept and broken.
