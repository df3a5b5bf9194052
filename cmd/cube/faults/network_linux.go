package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Network joins hosts that are network namespaces on this machine. All methods
// may be called at the same time.
type Network struct {
	ctx  context.Context // ends with Close
	stop context.CancelFunc
	work sync.WaitGroup // the goroutines that carry packets

	mu    sync.Mutex // guards the fields below
	hosts []*Host
	links map[direction]*link
}

// Host is one network namespace, with an address of its own and a way to every
// other host of its network.
type Host struct {
	Addr netip.Addr

	space *os.File // the namespace, which lives as long as this or a process in it
	tun   *os.File // its one interface
}

// direction is one way between two hosts.
type direction struct{ from, to netip.Addr }

// Link is how one way between two hosts is. The zero value is a good one.
type Link struct {
	Cut   bool          // nothing arrives
	Delay time.Duration // of each packet
}

// link carries one way's packets.
type link struct {
	state Link        // guarded by the network's mu
	late  chan parcel // packets with a delay, in their order
}

// parcel is a packet and when it is to arrive.
type parcel struct {
	packet []byte
	due    time.Time
}

// The hosts are .1, .2 … of a network that exists in their namespaces alone.
var prefix = netip.MustParsePrefix("10.77.0.0/24")

const (
	mtu       = 9000
	inTransit = 4096 // packets that a slow link holds; more are lost
)

// NewNetwork returns a network without hosts. It needs root and /dev/net/tun;
// AddHost says what is missing.
func NewNetwork() *Network {
	n := &Network{links: map[direction]*link{}}
	n.ctx, n.stop = context.WithCancel(context.Background())
	return n
}

// AddHost makes a host with good links to all others.
func (n *Network) AddHost() (*Host, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	addr := prefix.Addr().Next()
	if len(n.hosts) > 0 {
		addr = n.hosts[len(n.hosts)-1].Addr.Next()
	}
	h := &Host{Addr: addr}
	if err := onThread(h.open); err != nil {
		return nil, fmt.Errorf("a host of the test network cannot be made: %w", errors.Join(err, h.close()))
	}
	for _, other := range n.hosts {
		n.join(h, other)
		n.join(other, h)
	}
	n.hosts = append(n.hosts, h)
	n.work.Go(func() { n.route(h) })
	return h, nil
}

// join makes the way from one host to another.
func (n *Network) join(from, to *Host) {
	l := &link{late: make(chan parcel, inTransit)}
	n.links[direction{from.Addr, to.Addr}] = l
	n.work.Go(func() { n.deliver(l, to) })
}

// Set makes the way from one host to another as l says, for packets that are
// sent from now on.
func (n *Network) Set(from, to *Host, l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links[direction{from.Addr, to.Addr}].state = l
}

// Close ends the network. Processes that are still in its hosts reach nobody any
// more.
func (n *Network) Close() error {
	n.stop()
	n.mu.Lock()
	hosts := n.hosts
	n.mu.Unlock()
	var errs []error
	for _, h := range hosts {
		errs = append(errs, h.close())
	}
	n.work.Wait()
	return errors.Join(errs...)
}

// route hands on what a host sends, until the network is closed.
func (n *Network) route(h *Host) {
	buffer := make([]byte, mtu)
	for {
		size, err := h.tun.Read(buffer)
		if err != nil {
			return
		}
		n.send(h, buffer[:size])
	}
}

// The part of an IPv4 header that says where a packet goes.
const (
	headerSize        = 20
	destinationOffset = 16
)

// send hands on one packet of a host. What is for nobody here is lost, IPv6 too.
func (n *Network) send(from *Host, packet []byte) {
	if len(packet) < headerSize || packet[0]>>4 != 4 {
		return
	}
	to := netip.AddrFrom4([4]byte(packet[destinationOffset:headerSize]))
	n.mu.Lock()
	l := n.links[direction{from.Addr, to}]
	var state Link
	if l != nil {
		state = l.state
	}
	n.mu.Unlock()
	if l == nil || state.Cut {
		return
	}
	select {
	case l.late <- parcel{append([]byte(nil), packet...), time.Now().Add(state.Delay)}:
	default: // lost, as by a router whose queue is full
	}
}

// deliver brings a link's packets to its host when they are due, in their order.
func (n *Network) deliver(l *link, to *Host) {
	for {
		var p parcel
		select {
		case p = <-l.late:
		case <-n.ctx.Done():
			return
		}
		if wait := time.Until(p.due); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-n.ctx.Done():
				timer.Stop()
				return
			}
		}
		if _, err := to.tun.Write(p.packet); errors.Is(err, os.ErrClosed) {
			return
		}
	}
}

// Do runs f on a thread that is in the host: sockets that f makes and programs
// that it starts are the host's. The thread ends with f.
func (h *Host) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(h.space.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering the host %s: %w", h.Addr, err)
		}
		return f()
	})
}

// Has reports whether a process is in the host.
func (h *Host) Has(pid int) bool {
	theirs, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return false
	}
	own, err := h.space.Stat()
	return err == nil && os.SameFile(own, theirs)
}

// DialContext connects from the host to an address "10.77.0.2:80" of its
// network.
func (h *Host) DialContext(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = h.Do(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// onThread runs f on a thread of its own, which ends with it: what f does to its
// thread is nobody else's.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, so that the thread is not used again
		done <- f()
	}()
	return <-done
}

// open makes the host's namespace, on a thread of its own, and what is in it.
func (h *Host) open() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("a network namespace: %w", err)
	}
	var err error
	if h.space, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return err
	}
	if h.tun, err = openTun(); err != nil {
		return err
	}
	return h.configure()
}

const interfaceName = "tun0"

// openTun makes the namespace's interface.
func openTun() (*os.File, error) {
	const path = "/dev/net/tun"
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	request, err := unix.NewIfreq(interfaceName)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("a TUN device: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), path), nil
}

// configure gives the interface its address and brings it up, and loopback.
func (h *Host) configure() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	set := func(name string, operation uint, fill func(*unix.Ifreq) error) error {
		request, err := unix.NewIfreq(name)
		if err == nil {
			err = fill(request)
		}
		if err == nil {
			err = unix.IoctlIfreq(fd, operation, request)
		}
		if err != nil {
			return fmt.Errorf("interface %s, request %#x: %w", name, operation, err)
		}
		return nil
	}
	up := func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }
	return errors.Join(
		set(interfaceName, unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(h.Addr.AsSlice()) }),
		set(interfaceName, unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr(net.CIDRMask(prefix.Bits(), 32)) }),
		set(interfaceName, unix.SIOCSIFMTU, func(r *unix.Ifreq) error { r.SetUint32(mtu); return nil }),
		set(interfaceName, unix.SIOCSIFFLAGS, up),
		set("lo", unix.SIOCSIFFLAGS, up),
	)
}

func (h *Host) close() error {
	var errs []error
	for _, file := range []*os.File{h.tun, h.space} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}
