package task

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/docker/go-units"
)

// Bytes is a size in bytes. In JSON it is read as a number or as text with a
// unit ("512MiB"), and written as a number.
type Bytes int64

// ParseBytes reads a size as people write it: "536870912", "512MiB", "512m",
// "1.5g". As in Docker's --memory, every unit is a power of 1024, so "512MB"
// is 512 MiB too.
func ParseBytes(text string) (Bytes, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 0 {
			return 0, fmt.Errorf("%q is negative; a size is 0 or more bytes", text)
		}
		return Bytes(n), nil
	}
	n, err := units.RAMInBytes(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size: want bytes, or a number with a unit such as 512MiB or 4GiB", text)
	}
	// go-units multiplies in floating point: what does not fit an int64
	// comes out as the least one.
	if n < 0 {
		return 0, fmt.Errorf("%q is out of range for a size", text)
	}
	return Bytes(n), nil
}

// String writes the size for people, in binary units: "512MiB".
func (b Bytes) String() string {
	if b < 0 {
		return "-" + units.BytesSize(-float64(b))
	}
	return units.BytesSize(float64(b))
}

// UnmarshalJSON reads a whole number of bytes or text with a unit.
func (b *Bytes) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
		parsed, err := ParseBytes(text)
		if err != nil {
			return err
		}
		*b = parsed
		return nil
	}
	if n, err := strconv.ParseInt(string(data), 10, 64); err == nil {
		*b = Bytes(n)
		return nil
	}
	// JSON knows one kind of number: 1e9 is a whole number too.
	f, err := strconv.ParseFloat(string(data), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return fmt.Errorf("%s is not a size: want a whole number of bytes, or text with a unit such as \"512MiB\"", data)
	}
	*b = Bytes(f)
	return nil
}
