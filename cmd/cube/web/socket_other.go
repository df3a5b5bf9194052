//go:build !linux

package web

import "net"

// listen opens an address.
func listen(address string) (net.Listener, error) { return net.Listen("tcp", address) }
