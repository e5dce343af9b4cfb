//! Tables of the EndpointSlice controller.
