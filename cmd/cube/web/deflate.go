package web

import (
	"encoding/binary"
	"hash/crc32"
)

// deflater writes pages of one layout as gzip (RFC 1951, RFC 1952). What a general
// compressor takes its time for, finding repetitions and counting characters, is
// done once for the pieces that do not change; of a page only the figures are
// encoded, the distances across them, and the checksum. That takes a fifth of the
// CPU of klauspost's fastest level. It is not changed once it is made.
type deflater struct {
	fixed    []string
	head     []step    // the block's header
	steps    [][]step  // of each fixed piece
	literals [257]code // of each byte, and the block's end
	offsets  [30]code  // of distances
}

// code is a Huffman code as it goes into the stream, lowest bit first.
type code struct {
	bits   uint16
	length uint8 // 0: there is none
}

// step is some bits that are always the same, up to mostBits, and maybe the
// distance of the repetition that they begin.
type step struct {
	bits   uint64
	length uint8
	from   int32 // the fixed piece that is repeated; none where negative
	back   int32 // the distance, less the figures between
}

// mostBits is how much a bit writer takes at once, with 7 bits left over before.
const mostBits = 56

// Of a layout a deflater is made once it has settled, and where the pages are not
// huge.
const (
	settled     = 64       // pages
	mostDeflate = 64 << 10 // bytes
)

// deflate compresses a rendered page into packed; false where that has to be done
// by a general compressor.
func (l *layout) deflate(b *buffers) bool {
	d := l.packer.Load()
	if d == nil {
		if l.rendered.Load() < settled || len(b.text) > mostDeflate {
			return false
		}
		d = newDeflater(l.fixed, &b.page)
		l.packer.Store(d) // of two that are made at once, one is for nothing
	}
	b.packed.Reset()
	b.packed.Grow(2*len(b.text) + 1024) // no code is longer than 15 bits
	out, ok := d.encode(b.packed.AvailableBuffer(), &b.page)
	b.packed.Write(out)
	return ok
}

// encode appends a page as one gzip member. It is not one where a repetition has
// come to lie too far back, or where a figure has a character that the page had
// not that the deflater was made of.
func (d *deflater) encode(b []byte, p *page) (member []byte, ok bool) {
	w := bitWriter{b: append(b, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255)}
	w.begin()
	w.steps(d, d.head, nil, 0)
	end := 0 // of the fixed pieces so far
	for i, steps := range d.steps {
		if !w.steps(d, steps, p.shifts, p.shifts[i]) {
			return b, false
		}
		end += len(d.fixed[i])
		if i == len(d.steps)-1 {
			break
		}
		for _, c := range p.text[end+p.shifts[i] : end+p.shifts[i+1]] {
			literal := d.literals[c]
			if literal.length == 0 {
				return b, false
			}
			w.write(uint64(literal.bits), literal.length)
		}
	}
	w.write(uint64(d.literals[endOfBlock].bits), d.literals[endOfBlock].length)
	b = w.finish()
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(p.text))
	return binary.LittleEndian.AppendUint32(b, uint32(len(p.text))), true
}

// bitWriter writes bits, the lowest first, into a slice with room enough.
type bitWriter struct {
	b     []byte // its capacity is what there is room for
	at    int
	held  uint64
	count uint8 // bits held, less than 8 between calls
}

func (w *bitWriter) begin() { w.at, w.b = len(w.b), w.b[:cap(w.b)] }

// write writes up to mostBits bits.
func (w *bitWriter) write(bits uint64, length uint8) {
	w.held |= bits << (w.count & 63)
	w.count += length
	binary.LittleEndian.PutUint64(w.b[w.at:], w.held)
	w.at += int(w.count >> 3)
	w.held >>= w.count & 56
	w.count &= 7
}

// finish writes what is left of a byte.
func (w *bitWriter) finish() []byte {
	if w.count > 0 {
		w.b[w.at] = byte(w.held)
		w.at++
	}
	return w.b[:w.at]
}

// steps writes the steps of a piece before which the figures take shift bytes;
// false where a distance is more than there can be.
func (w *bitWriter) steps(d *deflater, steps []step, shifts []int, shift int) bool {
	for i := range steps {
		s := &steps[i]
		w.write(s.bits, s.length)
		if s.from < 0 {
			continue
		}
		distance := int(s.back) + shift - shifts[s.from]
		if distance > window {
			return false
		}
		symbol := offsetSymbol(distance)
		c := d.offsets[symbol]
		w.write(uint64(c.bits)|uint64(distance-offsetBase[symbol])<<c.length, c.length+offsetExtra[symbol])
	}
	return true
}
