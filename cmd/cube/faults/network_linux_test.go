package faults

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("namespaces, mounts and other processes' clocks need root")
	}
}

// echo is a server in a host; it answers with what it is told.
func echo(t *testing.T, h *Host) (address string) {
	t.Helper()
	var listener net.Listener
	err := h.Do(func() (err error) {
		listener, err = net.Listen("tcp", net.JoinHostPort(h.Addr.String(), "0"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buffer := make([]byte, 1)
				for {
					if _, err := conn.Read(buffer); err != nil {
						return
					}
					if _, err := conn.Write(buffer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// TestLinks: a host is reached by the others and by nobody else; a link that is
// cut one way is of no use, and a slow one is slow.
func TestLinks(t *testing.T) {
	needRoot(t)
	n := NewNetwork()
	defer n.Close()
	var hosts []*Host
	for range 3 {
		h, err := n.AddHost()
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, h)
	}
	from, to := hosts[0], hosts[2]
	address := echo(t, to)
	conn, err := from.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func(limit time.Duration) (time.Duration, error) {
		begin := time.Now()
		if err := conn.SetDeadline(begin.Add(limit)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		_, err := conn.Read(make([]byte, 1))
		return time.Since(begin), err
	}
	if _, err := ask(time.Minute); err != nil {
		t.Fatalf("a good link: %v", err)
	}
	const delay = 50 * time.Millisecond
	n.Set(to, from, Link{Delay: delay})
	if took, err := ask(time.Minute); err != nil || took < delay {
		t.Errorf("a link that takes %v: %v, %v", delay, took, err)
	}
	n.Set(to, from, Link{Cut: true})
	if _, err := ask(300 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a link that is cut on the way back: %v", err)
	}
	n.Set(to, from, Link{})
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Errorf("a link that is whole again: %v", err)
	}
	n.Set(from, to, Link{Cut: true})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := from.DialContext(ctx, "tcp", address); err == nil || ctx.Err() == nil {
		t.Errorf("a link that is cut on the way there: %v", err)
	}
	if _, err := hosts[1].DialContext(t.Context(), "tcp", address); err != nil {
		t.Errorf("another link than the one that is cut: %v", err)
	}
}

// TestFullDisk: what is full takes nothing, and what was there stays.
func TestFullDisk(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	d, err := NewDisk(dir, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	write := func() error { return os.WriteFile(dir+"/a", make([]byte, 64<<10), 0o600) }
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if err := d.Fill(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/b", []byte{1}, 0o600); err == nil {
		t.Error("a full disk takes a file")
	}
	if err := d.Clear(); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Error(err)
	}
}
