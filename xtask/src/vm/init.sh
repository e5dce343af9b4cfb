#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin HOME=/root RUST_BACKTRACE=1 CI=true SVC_VM=1
# IPVS is for the first user namespace.
export SVC_LAB_PRIVILEGED=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t tmpfs shm /dev/shm
mkdir -p /run/lock
ip link set lo up
# Schedulers are loaded before anything asks for one: the kernel loads them under a lock that the end of a network
# namespace waits for, while the module waits for that end (seen with Linux 6.1).
for module in /lib/modules/*/kernel/net/netfilter/ipvs/*.ko*; do
    name=${module##*/}
    /sbin/modprobe "${name%%.ko*}"
done
# As labs find them on a node: what bridges and SCTP sockets need is there, and batches may be large.
for module in br_netfilter dummy sctp veth vxlan; do /sbin/modprobe "$module"; done
echo 4194304 >/proc/sys/net/core/wmem_max
echo 4194304 >/proc/sys/net/core/rmem_max
echo "VM KERNEL $(uname -r)"

# suite NAME ARGS: runs /suites/NAME; its exit status is told on a line of its own.
suite() {
    name=$1
    shift
    echo "VM BEGIN $name"
    (cd /root && "/suites/$name" "$@" </dev/null 2>&1)
    echo "VM END $name $?"
}

. /suites.sh
echo "VM DONE"
poweroff -f
