// Package faults breaks the world around real programs, on purpose and in a way
// that can be taken back: a [Network] whose links are cut one way or slowed, a
// [Disk] that is full, a [Clock] that steps under one process and no other.
//
// Nothing of it reaches beyond what it was made for. A host is a network
// namespace that no interface leads out of: its packets go through a TUN device
// to this process, which hands them on, later, or not at all. So it needs root
// and /dev/net/tun, and neither a packet filter nor a queueing discipline of the
// kernel. A clock is the vDSO of one process, rewritten before its first
// instruction.
//
// Only tests import it. Of Cube it imports nothing.
package faults
