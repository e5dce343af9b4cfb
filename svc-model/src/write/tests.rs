//! What comes back otherwise than it was read: the table of the module's documentation.

use crate::yaml;

/// The only object of the text, written again, without its head and without its metadata.
fn again(kind: &str, body: &str) -> String {
    let api = match kind {
        "EndpointSlice" => "discovery.k8s.io/v1",
        "Ingress" => "networking.k8s.io/v1",
        _ => "v1",
    };
    let text = format!("{{apiVersion: {api}, kind: {kind}, metadata: {{name: x, unknown: 3}}, {body}}}");
    let (objects, problems) = yaml::read(&text).stored();
    assert_eq!(problems, [], "{text}");
    let written = serde_json::to_value(crate::write::manifest(&objects[0])).unwrap();
    let mut written = written.as_object().unwrap().clone();
    ["apiVersion", "kind", "metadata"].iter().for_each(|field| drop(written.remove(*field)));
    serde_json::to_string(&written).unwrap().replace('"', "")
}

#[test]
fn what_comes_back_in_other_words() {
    for (kind, body, expected) in [
        ("ConfigMap", "data: {a: b}, immutable: false, other: 1", "{data:{a:b}}"),
        ("Secret", "stringData: {a: b}", "{data:{a:Yg==},type:Opaque}"),
        (
            "Pod",
            "spec: {containers: [{name: a, image: b}, {name: c, ports: [{containerPort: 80, hostPort: 0}]}], \
               initContainers: [{name: d, ports: [{containerPort: 81}]}]}, \
             status: {podIP: 010.0.0.1, conditions: [{type: Initialized, status: 'False'}]}",
            "{spec:{containers:[{name:c,ports:[{containerPort:80,protocol:TCP}]}]},\
              status:{conditions:[{status:False,type:Initialized}],phase:Running,podIP:10.0.0.1,podIPs:[{ip:10.0.0.1}]}}",
        ),
        (
            "Node",
            "spec: {podCIDR: 10.1.2.3/24}, status: {allocatable: {cpu: 4, memory: 1Gi}, \
             conditions: [{type: Ready, status: Unknown, reason: ''}], addresses: [{type: Other, address: a}]}",
            "{spec:{podCIDR:10.1.2.0/24,podCIDRs:[10.1.2.0/24]},\
              status:{addresses:[{address:a,type:Other}],allocatable:{cpu:4},conditions:[{status:Unknown,type:Ready}]}}",
        ),
        (
            "EndpointSlice",
            "addressType: IPv4, endpoints: [{addresses: [010.0.0.1], conditions: {ready: false}}], ports: [{port: 0}]",
            "{addressType:IPv4,endpoints:[{addresses:[10.0.0.1],conditions:{ready:false,serving:true,terminating:false}}],\
              ports:[{name:,protocol:TCP}]}",
        ),
        (
            "Ingress",
            "spec: {tls: [], rules: [{host: Shop.Example, http: {paths: [{pathType: ImplementationSpecific, \
             backend: {service: {name: web, port: {name: '', number: 80}}}}]}}]}",
            "{spec:{rules:[{host:shop.example,http:{paths:[{backend:{service:{name:web,port:{number:80}}},path:/,\
              pathType:ImplementationSpecific}]}}]}}",
        ),
        (
            "Service",
            "spec: {type: ExternalName, externalName: a, clusterIP: '', ports: [{port: 80, nodePort: 30080}], loadBalancerIP: 192.0.2.1}",
            "{spec:{externalName:a,loadBalancerIP:192.0.2.1,ports:[{nodePort:30080,port:80,protocol:TCP,targetPort:80}],sessionAffinity:None,type:ExternalName}}",
        ),
        (
            "Service",
            "spec: {clusterIP: '::ffff:10.96.0.7', externalName: a, healthCheckNodePort: 32000, \
               ports: [{port: 80, targetPort: '', nodePort: 30080}], loadBalancerClass: a/b, \
               trafficDistribution: Somewhere, publishNotReadyAddresses: false}",
            "{spec:{clusterIP:10.96.0.7,clusterIPs:[10.96.0.7],externalName:a,internalTrafficPolicy:Cluster,ipFamilies:[IPv4],\
              ipFamilyPolicy:SingleStack,ports:[{port:80,protocol:TCP,targetPort:80}],sessionAffinity:None,type:ClusterIP}}",
        ),
        (
            "Service",
            "spec: {type: LoadBalancer, clusterIP: 10.96.0.7, ports: [{port: 80}], loadBalancerIP: any, \
               loadBalancerSourceRanges: [all, ' 10.1.2.3/8', '']}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}",
            "{spec:{allocateLoadBalancerNodePorts:true,clusterIP:10.96.0.7,clusterIPs:[10.96.0.7],externalTrafficPolicy:Cluster,\
              internalTrafficPolicy:Cluster,ipFamilies:[IPv4],ipFamilyPolicy:SingleStack,loadBalancerIP:any,\
              loadBalancerSourceRanges:[10.0.0.0/8,all],ports:[{port:80,protocol:TCP,targetPort:80}],sessionAffinity:None,\
              type:LoadBalancer},status:{loadBalancer:{ingress:[{ip:192.0.2.1,ipMode:VIP}]}}}",
        ),
    ] {
        assert_eq!(again(kind, body), expected, "{kind}: {body}");
    }
}

#[test]
fn null_is_nothing_wherever_it_stands() {
    for (kind, body, expected) in [
        ("Pod", "spec: null, status: null", "{spec:{},status:{phase:Running}}"),
        (
            "EndpointSlice",
            "addressType: IPv4, endpoints: null, ports: null",
            "{addressType:IPv4,endpoints:[],ports:[]}",
        ),
        (
            "Service",
            "spec: {clusterIP: None, selector: null, ports: null, ipFamilies: null, sessionAffinityConfig: null}, status: {loadBalancer: null}",
            "{spec:{clusterIP:None,clusterIPs:[None],internalTrafficPolicy:Cluster,sessionAffinity:None,type:ClusterIP}}",
        ),
    ] {
        assert_eq!(again(kind, body), expected, "{kind}: {body}");
    }
    let unnamed = yaml::read("{apiVersion: v1, kind: Pod, metadata: null}");
    assert_eq!(unnamed.stored().1[0].to_string(), "Pod default/: metadata.name: is required");
}
