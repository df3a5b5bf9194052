package scheduler

import (
	"encoding/json"
	"math"
	"strconv"
)

// Figure is a number that may not be known: null in JSON. The zero Figure is
// not known. It takes no more than the number, holds no pointer, and two that
// are not known are equal.
type Figure struct{ bits uint64 } // of the float64, ^ those of Absent

// FigureOf returns v as a Figure: not known if v is [Absent].
func FigureOf(v float64) Figure {
	if !Known(v) {
		return Figure{}
	}
	return Figure{math.Float64bits(v) ^ math.Float64bits(Absent())}
}

// Value returns the number, [Absent] where it is not known.
func (f Figure) Value() float64 {
	return math.Float64frombits(f.bits ^ math.Float64bits(Absent()))
}

// Known reports whether there is a number.
func (f Figure) Known() bool { return f.bits != 0 }

// Equal reports whether both are the same number, or both are not known.
func (f Figure) Equal(o Figure) bool { return f == o }

// String returns the number, or "null".
func (f Figure) String() string {
	if !f.Known() {
		return "null"
	}
	return strconv.FormatFloat(f.Value(), 'g', -1, 64)
}

// MarshalJSON writes the number or null.
func (f Figure) MarshalJSON() ([]byte, error) {
	if !f.Known() {
		return []byte("null"), nil
	}
	return json.Marshal(f.Value())
}

// UnmarshalJSON reads the number or null.
func (f *Figure) UnmarshalJSON(data []byte) error {
	var v *float64
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	*f = Figure{}
	if v != nil {
		*f = FigureOf(*v)
	}
	return nil
}
