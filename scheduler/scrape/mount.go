package scrape

// mount is a figure of the filesystem that holds the data root: of all mounts
// above it, the one with the longest path.
type mount struct {
	point int // length of its path; 0 is none yet
	bytes float64
}

// put keeps the value if its mountpoint, a path of so many bytes, is the nearest
// one above the root so far; 0 is one that is not above it. Of two mounts on one
// point the later one on the page stands: both report the one that is visible
// there.
func (m *mount) put(point int, value float64) {
	if point > 0 && point >= m.point {
		m.point, m.bytes = point, value
	}
}

// holds reports whether the directory is the path or above it.
func holds(directory []byte, path string) bool {
	if string(directory) == "/" {
		return true
	}
	n := len(directory)
	return n > 0 && len(path) >= n && path[:n] == string(directory) && (len(path) == n || path[n] == '/')
}
