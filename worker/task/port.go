package task

import (
	"fmt"
	"strconv"
	"strings"
)

// Port is a port inside a task: a number and "tcp" or "udp".
type Port struct {
	Number   uint16
	Protocol string
}

// PortBinding is where a task's port can be reached on its host, in Docker's
// words.
type PortBinding struct {
	HostIp   string
	HostPort string
}

// ParsePort reads "8080/tcp", "53/udp" or "8080", which is tcp.
func ParsePort(text string) (Port, error) {
	number, protocol, given := strings.Cut(text, "/")
	if !given {
		protocol = "tcp"
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 || (protocol != "tcp" && protocol != "udp") {
		return Port{}, fmt.Errorf("%q is not a port: want a number from 1 to 65535, with /tcp or /udp", text)
	}
	return Port{Number: uint16(n), Protocol: protocol}, nil
}

// String writes "8080/tcp".
func (p Port) String() string { return strconv.Itoa(int(p.Number)) + "/" + p.Protocol }
