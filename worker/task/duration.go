package task

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Duration is a length of time. In JSON it is read as a number of seconds or
// as text with a unit ("1m30s"), and written as a number of seconds.
type Duration time.Duration

// maxSeconds keeps a number of seconds well inside what a time.Duration holds.
const maxSeconds = float64(math.MaxInt64/int64(time.Second) - 1)

// String writes the duration as Go does: "1m30s".
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes seconds.
func (d Duration) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(d).Seconds(), 'f', -1, 64), nil
}

// UnmarshalJSON reads seconds, or text with a unit.
func (d *Duration) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
		parsed, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration: want seconds, or text such as 10s or 1m30s", text)
		}
		*d = Duration(parsed)
		return nil
	}
	seconds, err := strconv.ParseFloat(string(data), 64)
	if err != nil || math.Abs(seconds) > maxSeconds {
		return fmt.Errorf("%s is not a duration: want seconds, or text such as \"10s\"", data)
	}
	*d = Duration(math.Round(seconds * float64(time.Second)))
	return nil
}
