package bolt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/google/uuid"

	"cube/worker"
)

// castagnoli is the polynomial that processors have an instruction for.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const checksumSize = 4

// encode writes a record: CRC-32C of the JSON, big-endian, then the JSON.
func encode(r *worker.Record) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	value := make([]byte, checksumSize, checksumSize+len(text))
	binary.BigEndian.PutUint32(value, crc32.Checksum(text, castagnoli))
	return append(value, text...), nil
}

// decode reads what encode wrote, under the key it was stored under. The value
// is not held on to.
func decode(key, value []byte) (worker.Record, error) {
	var r worker.Record
	if len(value) < checksumSize {
		return r, errors.New("is cut off")
	}
	text := value[checksumSize:]
	if binary.BigEndian.Uint32(value) != crc32.Checksum(text, castagnoli) {
		return r, errors.New("has another checksum than was written with it")
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("cannot be understood: %w", err)
	}
	if !bytes.Equal(key, r.Task.ID[:]) {
		return r, fmt.Errorf("is that of task %s", r.Task.ID)
	}
	return r, nil
}

// keyText writes a key for people.
func keyText(key []byte) string {
	if id, err := uuid.FromBytes(key); err == nil {
		return id.String()
	}
	return fmt.Sprintf("%x", key)
}
