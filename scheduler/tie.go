package scheduler

import "hash/fnv"

// hashName is a node's part in breaking ties: the same on every machine and in
// every run.
func hashName(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name)) // never fails
	return h.Sum64()
}

// mix spreads the bits of x (the finalizer of SplitMix64, Steele, Lea and
// Flood 2014), so that seeds that differ in one bit order nodes differently.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// tie orders nodes of equal cost: the lower value goes first.
func tie(seed, nameHash uint64) uint64 { return mix(seed ^ nameHash) }
