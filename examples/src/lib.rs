//! The parts the programs share.
