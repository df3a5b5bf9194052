package web

import (
	"math/bits"
	"slices"
)

// The numbers of RFC 1951, 3.2.5.
const (
	window     = 32 << 10
	leastMatch = 4 // of three bytes, the distance often takes more than it saves
	mostMatch  = 258
	endOfBlock = 256
	symbols    = 286 // bytes, the end, and lengths
)

var (
	lengthBase  = [29]int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	offsetBase  = [30]int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	offsetExtra = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	// lengthOrder is the order of the lengths of the code lengths' codes.
	lengthOrder = [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// offsetSymbol is the symbol of a distance from 1 to window: two for each doubling.
func offsetSymbol(distance int) int {
	d := uint(distance - 1)
	if d < 4 {
		return int(d)
	}
	top := bits.Len(d) - 1
	return 2*top + int(d>>(top-1)&1)
}

// lengthSymbol is a match's place in lengthBase.
func lengthSymbol(length int) int {
	at, found := slices.BinarySearch(lengthBase[:], length)
	if !found {
		at--
	}
	return at
}

// codeLengths returns the lengths of a Huffman code of these frequencies, none
// longer than limit; what never occurs has none.
func codeLengths(frequencies []int, limit int) []uint8 {
	frequencies = slices.Clone(frequencies)
	for {
		lengths := huffman(frequencies)
		if int(slices.Max(lengths)) <= limit {
			return lengths
		}
		for i, f := range frequencies { // flatter: in the end all are alike
			frequencies[i] = (f + 1) / 2
		}
	}
}

// huffman returns the lengths of an unbounded code, by Huffman's two queues.
func huffman(frequencies []int) []uint8 {
	type node struct{ frequency, left, right int }
	var nodes []node
	var leaves []int // their symbols
	for symbol, f := range frequencies {
		if f > 0 {
			leaves = append(leaves, symbol)
		}
	}
	lengths := make([]uint8, len(frequencies))
	if len(leaves) == 1 {
		lengths[leaves[0]] = 1
		return lengths
	}
	slices.SortStableFunc(leaves, func(a, b int) int { return frequencies[a] - frequencies[b] })
	for _, symbol := range leaves {
		nodes = append(nodes, node{frequency: frequencies[symbol]})
	}
	leaf, inner := 0, len(leaves)
	least := func() int {
		if leaf < len(leaves) && (inner == len(nodes) || nodes[leaf].frequency <= nodes[inner].frequency) {
			leaf++
			return leaf - 1
		}
		inner++
		return inner - 1
	}
	for range len(leaves) - 1 {
		a, b := least(), least()
		nodes = append(nodes, node{nodes[a].frequency + nodes[b].frequency, a, b})
	}
	depths := make([]uint8, len(nodes))
	for i := len(nodes) - 1; i >= len(leaves); i-- { // the root is the last
		depths[nodes[i].left], depths[nodes[i].right] = depths[i]+1, depths[i]+1
	}
	for i, symbol := range leaves {
		lengths[symbol] = depths[i]
	}
	return lengths
}

// canonical makes the codes of RFC 1951, 3.2.2, each turned round, as the stream
// has them.
func canonical(lengths []uint8) []code {
	var count, next [16]uint16
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	for n := 1; n < len(next); n++ {
		next[n] = (next[n-1] + count[n-1]) << 1
	}
	codes := make([]code, len(lengths))
	for symbol, n := range lengths {
		if n > 0 {
			codes[symbol] = code{bits.Reverse16(next[n]) >> (16 - n), n}
			next[n]++
		}
	}
	return codes
}
