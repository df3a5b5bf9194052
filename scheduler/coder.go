package scheduler

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
)

// coder writes or reads, so that the two cannot differ: each method takes
// where a value is, and does one or the other.
type coder struct {
	data    []byte
	reading bool
	version byte
	err     error
	named   string // the last name
}

// fail remembers the first error, after which nothing is read any more.
func (e *coder) fail() {
	if e.err == nil {
		e.err = errors.New("a decision that ends too early, or is garbled")
	}
	e.data = nil
}

func (e *coder) whole(v *uint64) {
	if !e.reading {
		e.data = binary.AppendUvarint(e.data, *v)
		return
	}
	read, n := binary.Uvarint(e.data)
	if n <= 0 {
		e.fail()
		return
	}
	*v, e.data = read, e.data[n:]
}

func (e *coder) signed(v *int64) {
	zigzag := uint64(*v)<<1 ^ uint64(*v>>63)
	e.whole(&zigzag)
	*v = int64(zigzag>>1) ^ -int64(zigzag&1)
}

func (e *coder) count(v *int) {
	wide := int64(*v)
	e.signed(&wide)
	*v = int(wide)
}

func (e *coder) bytes(v *task.Bytes) {
	wide := int64(*v)
	e.signed(&wide)
	*v = task.Bytes(wide)
}

// length is that of a list whose elements take no fewer than least bytes each: a
// garbled length must not ask for more memory than the data could fill.
func (e *coder) length(n, least int) int {
	wide := uint64(n)
	e.whole(&wide)
	if e.reading && wide > uint64(len(e.data)/least) {
		e.fail()
		return 0
	}
	return int(wide)
}

func (e *coder) raw(into []byte) {
	if !e.reading {
		e.data = append(e.data, into...)
		return
	}
	if len(e.data) < len(into) {
		e.fail()
		return
	}
	e.data = e.data[copy(into, e.data):]
}

func (e *coder) id(v *uuid.UUID) { e.raw(v[:]) }

func (e *coder) flag(v *bool) {
	var b [1]byte
	if *v {
		b[0] = 1
	}
	e.raw(b[:])
	*v = b[0] == 1
}

// time is written in nanoseconds UTC; none as a single 0.
func (e *coder) time(v *time.Time) {
	there := !v.IsZero()
	if e.flag(&there); !there {
		return
	}
	nano := v.UnixNano()
	e.signed(&nano)
	*v = time.Unix(0, nano).UTC()
}

// same writes or reads whether something is as it was before.
func (e *coder) same(is bool) bool {
	e.flag(&is)
	return is
}

// name is a text of which only what differs from the name before is written.
func (e *coder) name(v *string) {
	shared := 0
	for !e.reading && shared < min(len(*v), len(e.named)) && (*v)[shared] == e.named[shared] {
		shared++
	}
	e.count(&shared)
	var rest string
	if !e.reading {
		rest = (*v)[shared:]
	}
	e.text(&rest)
	if e.reading {
		if shared < 0 || shared > len(e.named) {
			e.fail()
			return
		}
		*v = e.named[:shared] + rest
	}
	e.named = *v
}

// text is written after twice its length, plus 1 if it has the phrases of
// refusals as one byte each, which plain ASCII leaves free.
func (e *coder) text(v *string) {
	short, packed := *v, 0
	if !e.reading && len(short) >= minPacked && isASCII(short) {
		short, packed = packer.Replace(short), 1
	}
	head := uint64(2*len(short) + packed)
	e.whole(&head)
	if !e.reading {
		e.data = append(e.data, short...)
		return
	}
	if head/2 > uint64(len(e.data)) {
		e.fail()
		return
	}
	read := make([]byte, head/2)
	e.raw(read)
	*v = string(read)
	if head&1 == 1 {
		*v = unpacker.Replace(*v)
	}
}

// minPacked is the length from which on a text is worth packing.
const minPacked = 12

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

// float is written as what differs from a value that is known before: a byte
// that tells how many zero bytes there are before and after, and the bytes
// between. Equal values take one byte.
func (e *coder) float(v *float64, like float64) {
	diff := math.Float64bits(*v) ^ math.Float64bits(like)
	var head [1]byte
	if !e.reading {
		if diff == 0 {
			e.data = append(e.data, 0)
			return
		}
		after := bits.TrailingZeros64(diff) / 8
		length := (bits.Len64(diff)+7)/8 - after
		e.data = append(e.data, byte(length<<4|after))
		end := len(e.data) + length
		e.data = binary.LittleEndian.AppendUint64(e.data, diff>>(8*after))[:end]
		return
	}
	e.raw(head[:])
	length, after := int(head[0]>>4), int(head[0]&15)
	if length+after > 8 {
		e.fail()
		return
	}
	diff = 0
	for i := range length {
		var b [1]byte
		e.raw(b[:])
		diff |= uint64(b[0]) << (8 * (after + i))
	}
	*v = math.Float64frombits(math.Float64bits(like) ^ diff)
}

// absentHead stands in place of the head of a figure that is null.
const absentHead = 0xFF

func (e *coder) optional(f *Figure, like Figure) {
	switch {
	case !e.reading && !f.Known():
		e.data = append(e.data, absentHead)
		return
	case e.reading && len(e.data) > 0 && e.data[0] == absentHead:
		e.data = e.data[1:]
		return
	}
	value := orZero(f.Value())
	e.float(&value, orZero(like.Value()))
	*f = FigureOf(value)
}
