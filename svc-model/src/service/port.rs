//! The ports of a Service.

/// Transport protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// TCP, the default.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// `tcp`, `udp` or `sctp`, as the kernel's tools and DNS names write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }

    /// The IANA protocol number (6, 17, 132).
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.as_str().to_uppercase())
    }
}

/// `targetPort`: a number, or the name of a container port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TargetPort {
    /// A port number.
    Number(u16),
    /// The name of a container port, looked up in each pod.
    Name(String),
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
    pub(crate) target_port: TargetPort,
    pub(crate) node_port: Option<u16>,
    pub(crate) app_protocol: Option<String>,
}

impl ServicePort {
    /// The name; empty where the only port has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The port on the Service's addresses.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port on the pods.
    #[must_use]
    pub fn target_port(&self) -> &TargetPort {
        &self.target_port
    }

    /// The port on the nodes; only NodePort and LoadBalancer Services have one.
    #[must_use]
    pub fn node_port(&self) -> Option<u16> {
        self.node_port
    }

    /// `appProtocol`.
    #[must_use]
    pub fn app_protocol(&self) -> Option<&str> {
        self.app_protocol.as_deref()
    }
}
