package backup_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mazad/internal/backup"
)

// sample is a backup of three files, one of them in parts.
func sample(t *testing.T) (tar []byte, large []byte) {
	t.Helper()
	large = make([]byte, 2*backup.PartBytes+7)
	rand.Read(large)
	var out bytes.Buffer
	w := backup.NewWriter(&out, time.Unix(1_800_000_000, 5), "v1")
	for _, err := range []error{
		w.Copy("store/rows", bytes.NewReader(large)), w.Copy("empty", strings.NewReader("")),
		w.File("keys/a.key", func(f io.Writer) error { _, err := io.WriteString(f, "secret\n"); return err }),
		w.Finish(map[string]string{"books": "abc"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes(), large
}

// both receives the sample into a folder and into a file.
func both(t *testing.T, tar []byte) []string {
	t.Helper()
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "folder"), filepath.Join(dir, "file.tar")}
	for _, p := range paths {
		if m, err := backup.Receive(bytes.NewReader(tar), p, nil); err != nil || len(m.Parts) != 5 {
			t.Fatalf("%s: %v", p, err)
		}
	}
	return paths
}

func TestABackupComesBack(t *testing.T) {
	tar, large := sample(t)
	for _, path := range both(t, tar) {
		s, err := backup.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Verify(nil); err != nil {
			t.Error(err)
		}
		for name, want := range map[string][]byte{"store/rows": large, "empty": {}, "keys/a.key": []byte("secret\n")} {
			r, err := s.Reader(name)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %s has %d bytes, want %d: %v", path, name, len(got), len(want), err)
			}
		}
		if _, err := s.Reader("nothing"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file that is not there: %v", err)
		}
		if string(s.Manifest.About) != `{"books":"abc"}` && !strings.Contains(string(s.Manifest.About), `"books": "abc"`) || len(s.Files("store/")) != 1 {
			t.Errorf("about %s, files %q", s.Manifest.About, s.Files(""))
		}
		if st, err := os.Stat(path); err != nil || st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %v", path, st.Mode())
		}
	}
}

// TestDamageIsNamed: whatever happens to one file, its name is in the error.
func TestDamageIsNamed(t *testing.T) {
	tar, _ := sample(t)
	for name, damage := range map[string]func(path string) error{
		"store/rows.part000001": func(p string) error { return flip(p, backup.PartBytes/2) },
		"store/rows.part000002": func(p string) error { return os.Truncate(p, 3) },
		"keys/a.key":            os.Remove,
		"manifest":              func(p string) error { return flip(p, 40) },
		"manifest ":             func(p string) error { return os.Remove(strings.TrimSpace(p)) },
		"stranger":              func(p string) error { return os.WriteFile(p, []byte("x"), 0o600) },
	} {
		folder := both(t, tar)[0]
		if err := damage(filepath.Join(folder, filepath.FromSlash(name))); err != nil {
			t.Fatal(err)
		}
		s, err := backup.Open(folder)
		if err == nil {
			err = s.Verify(nil)
		}
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func flip(path string, at int64) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	raw[at] ^= 1
	return os.WriteFile(path, raw, 0o600)
}

// TestEveryFlippedByteOfAFileIsFound goes through a tar file in steps.
func TestEveryFlippedByteOfAFileIsFound(t *testing.T) {
	tar, _ := sample(t)
	path := both(t, tar)[1]
	for at := 0; at < len(tar)-1024; at += 1_000_003 { // tar ends with two empty blocks
		if err := flip(path, int64(at)); err != nil {
			t.Fatal(err)
		}
		s, err := backup.Open(path)
		if err == nil {
			err = s.Verify(nil)
			s.Close()
		}
		if err == nil {
			t.Errorf("byte %d was flipped and nobody saw", at)
		}
		if err := flip(path, int64(at)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhatEndsEarlyIsNoBackup cuts the stream where a connection may break.
func TestWhatEndsEarlyIsNoBackup(t *testing.T) {
	tar, _ := sample(t)
	for _, cut := range []int{0, 100, 512, backup.PartBytes, 2*backup.PartBytes + 1000, len(tar) - 3000} {
		dir := t.TempDir()
		for _, path := range []string{filepath.Join(dir, "folder"), filepath.Join(dir, "file.tar")} {
			if _, err := backup.Receive(bytes.NewReader(tar[:cut]), path, nil); err == nil {
				t.Errorf("%d bytes were taken for a backup", cut)
			}
			if s, err := backup.Open(path); err == nil {
				s.Close()
				t.Errorf("%d bytes: %s can be opened", cut, path)
			}
		}
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	tar, _ := sample(t)
	for _, path := range both(t, tar) {
		if _, err := backup.Receive(bytes.NewReader(tar), path, nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("over %s: %v", path, err)
		}
	}
}

func TestNamesStayInside(t *testing.T) {
	for _, name := range []string{"../x", "/etc/passwd", "a/../../x", "a//b", ".hidden", "a\\b", "", strings.Repeat("a", 201)} {
		w := backup.NewWriter(io.Discard, time.Now(), "v1")
		if err := w.Copy(name, strings.NewReader("x")); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}
