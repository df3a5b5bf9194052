package web

import "slices"

// newDeflater makes what compresses pages of this layout; p is one of them.
func newDeflater(fixed []string, p *page) *deflater {
	d := &deflater{fixed: fixed}
	parsed := findRepetitions(fixed, p.shifts)
	literals, offsets := make([]int, symbols), make([]int, len(d.offsets))
	literals[endOfBlock] = 1
	for _, c := range "0123456789.+-eIinfNa" { // what figures are written with
		literals[c]++
	}
	for i := range offsets {
		offsets[i] = 1 // distances change with the figures
	}
	end := 0
	for i, pieces := range parsed {
		for _, t := range pieces {
			literals[t.symbol()]++
			if t.length > 0 {
				offsets[offsetSymbol(t.back+p.shifts[i]-p.shifts[t.from])]++
			}
		}
		end += len(fixed[i])
		if i < len(parsed)-1 {
			for _, c := range p.text[end+p.shifts[i] : end+p.shifts[i+1]] {
				literals[c]++
			}
		}
	}
	literalLengths, offsetLengths := codeLengths(literals, 15), codeLengths(offsets, 15)
	codes := canonical(literalLengths)
	copy(d.literals[:], codes)
	copy(d.offsets[:], canonical(offsetLengths))
	d.head = blockHeader(literalLengths, offsetLengths)
	for _, elements := range parsed {
		d.steps = append(d.steps, stepsOf(elements, codes))
	}
	return d
}

// element is a byte or, with a length, a repetition.
type element struct {
	literal      byte
	length, from int
	back         int // the distance, less the figures between
}

// symbol is the element's in the literals' code.
func (t element) symbol() int {
	if t.length == 0 {
		return int(t.literal)
	}
	return endOfBlock + 1 + lengthSymbol(t.length)
}

// finder finds repetitions in the fixed pieces. One lies within one piece and
// repeats a part of one: what is between pieces changes.
type finder struct {
	shifts []int // of one page
	text   string
	piece  []int32              // of each position of text, the piece it is in
	ends   []int                // of each piece
	last   [1 << hashBits]int32 // the last position of a hash, plus one
	before []int32              // of each position, the one of its hash before it, plus one
}

const hashBits = 12

// chain is how many places are looked at for the longest repetition.
const chain = 48

// margin is how much nearer than window a repetition has to be, so that figures
// may grow.
const margin = 2 << 10

// findRepetitions takes the pieces apart.
func findRepetitions(fixed []string, shifts []int) (parsed [][]element) {
	f := &finder{shifts: shifts}
	var text []byte
	for i, piece := range fixed {
		text = append(text, piece...)
		f.ends = append(f.ends, len(text))
		for range len(piece) {
			f.piece = append(f.piece, int32(i))
		}
	}
	f.text, f.before = string(text), make([]int32, len(text))
	at := 0
	for i := range fixed {
		var elements []element
		for at < f.ends[i] {
			t := f.longest(at)
			f.remember(at)
			if t.length > 0 && at+1 < f.ends[i] && f.longest(at+1).length > t.length {
				t = element{} // the next byte begins a longer one
			}
			if t.length == 0 {
				t.literal = f.text[at]
				at++
			} else {
				for k := 1; k < t.length; k++ {
					f.remember(at + k)
				}
				at += t.length
			}
			elements = append(elements, t)
		}
		parsed = append(parsed, elements)
	}
	return parsed
}

// hash is that of the leastMatch bytes at a position; false where the piece ends
// before.
func (f *finder) hash(at int) (uint32, bool) {
	if at+leastMatch > f.ends[f.piece[at]] {
		return 0, false
	}
	four := uint32(f.text[at]) | uint32(f.text[at+1])<<8 | uint32(f.text[at+2])<<16 | uint32(f.text[at+3])<<24
	return four * 2654435761 >> (32 - hashBits), true
}

// remember notes what begins at a position.
func (f *finder) remember(at int) {
	if h, ok := f.hash(at); ok {
		f.before[at], f.last[h] = f.last[h], int32(at+1)
	}
}

// longest is the longest repetition that begins at a position, the nearest of
// equals; without one it has no length.
func (f *finder) longest(at int) (best element) {
	h, ok := f.hash(at)
	if !ok {
		return element{}
	}
	piece := f.piece[at]
	for from, tries := int(f.last[h])-1, 0; from >= 0 && tries < chain; from, tries = int(f.before[from])-1, tries+1 {
		of := f.piece[from]
		if at-from+f.shifts[piece]-f.shifts[of] > window-margin {
			break
		}
		length, most := 0, min(f.ends[piece]-at, f.ends[of]-from, mostMatch)
		for length < most && f.text[at+length] == f.text[from+length] {
			length++
		}
		if length >= leastMatch && length > best.length {
			best = element{length: length, from: int(of), back: at - from}
		}
	}
	return best
}

// stepsOf joins the bits of elements.
func stepsOf(elements []element, codes []code) (steps []step) {
	s := step{from: -1}
	end := func() {
		steps = append(steps, s)
		s = step{from: -1}
	}
	for _, t := range elements {
		c := codes[t.symbol()]
		value, length := uint64(c.bits), c.length
		if t.length > 0 {
			symbol := lengthSymbol(t.length)
			value |= uint64(t.length-lengthBase[symbol]) << length
			length += lengthExtra[symbol]
		}
		if s.length+length > mostBits {
			end()
		}
		s.bits |= value << s.length
		s.length += length
		if t.length > 0 {
			s.from, s.back = int32(t.from), int32(t.back)
			end()
		}
	}
	if s.length > 0 {
		end()
	}
	return steps
}

// blockHeader is the header of a last block with codes of these lengths: RFC
// 1951, 3.2.7.
func blockHeader(literals, offsets []uint8) (steps []step) {
	runs := runsOf(slices.Concat(literals, offsets))
	frequencies := make([]int, len(lengthOrder))
	for _, r := range runs {
		frequencies[r.symbol]++
	}
	lengths := codeLengths(frequencies, 7)
	codes := canonical(lengths)
	used := len(lengthOrder)
	for used > 4 && lengths[lengthOrder[used-1]] == 0 {
		used--
	}
	put := func(value uint64, length uint8) { steps = append(steps, step{bits: value, length: length, from: -1}) }
	put(1|2<<1, 3)
	put(uint64(len(literals)-257), 5)
	put(uint64(len(offsets)-1), 5)
	put(uint64(used-4), 4)
	for _, symbol := range lengthOrder[:used] {
		put(uint64(lengths[symbol]), 3)
	}
	for _, r := range runs {
		c := codes[r.symbol]
		put(uint64(c.bits)|uint64(r.extra)<<c.length, c.length+r.extraBits)
	}
	return steps
}

// run is one symbol of the code lengths' code.
type run struct {
	symbol           int
	extra, extraBits uint8
}

// runsOf writes code lengths with their repetitions: 16 repeats the last three to
// six times, 17 and 18 are three to ten and eleven to 138 zeros.
func runsOf(lengths []uint8) (runs []run) {
	for i := 0; i < len(lengths); {
		same := 1
		for i+same < len(lengths) && lengths[i+same] == lengths[i] {
			same++
		}
		i += same
		value := lengths[i-1]
		if value != 0 {
			runs = append(runs, run{symbol: int(value)})
			same--
		}
		for same > 0 {
			switch {
			case same < 3:
				runs = append(runs, run{symbol: int(value)})
				same--
			case value != 0:
				n := min(same, 6)
				runs = append(runs, run{16, uint8(n - 3), 2})
				same -= n
			case same <= 10:
				runs = append(runs, run{17, uint8(same - 3), 3})
				same = 0
			default:
				n := min(same, 138)
				runs = append(runs, run{18, uint8(n - 11), 7})
				same -= n
			}
		}
	}
	return runs
}
