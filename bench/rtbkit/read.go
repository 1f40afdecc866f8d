package rtbkit

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxLine bounds one line of the input; the longest real one has 1.7 KB.
const maxLine = 64 << 10

// File is where the recorded auctions lie in a data folder.
func File(dataDir string) string {
	return filepath.Join(dataDir, "rtbkit-auctions", "auctions-1-14000.jsonl.gz")
}

// ReadFile converts a file of one request per line, gzip or plain, and calls f
// for each. It stops at the first error, which names the file and the line.
func (v *Converter) ReadFile(name string, f func(*Auction) error) error {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("open recorded auctions: %w", err)
	}
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(file)
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		r = z
	}
	if err := v.Read(r, f); err != nil {
		return fmt.Errorf("%s %w", name, err)
	}
	return nil
}

// Read is ReadFile for text that is open already.
func (v *Converter) Read(r io.Reader, f func(*Auction) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	number := 0
	for lines.Scan() {
		number++
		a, err := v.Convert(lines.Bytes())
		if err == nil {
			err = f(a)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w (a line has at most %d bytes)", number+1, err, maxLine)
	}
	return nil
}
