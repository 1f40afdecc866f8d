package powertest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"mazad/internal/powertest"
)

// TestTheCutBites is the control of every test that cuts the power: what a
// process wrote and synced is there afterwards, and what it only wrote is not.
func TestTheCutBites(t *testing.T) {
	d := powertest.Mount(t, 64)
	const rounds = 5
	for round := range rounds {
		for name, script := range map[string]string{
			"synced":  `echo kept > f.new && sync f.new && mv f.new "$0" && sync . && echo done && exec sleep 60`,
			"written": `echo kept > "$0" && echo done && exec sleep 60`,
		} {
			path := filepath.Join(d.Dir, name)
			c := exec.Command("sh", "-c", script, name)
			c.Dir, c.SysProcAttr = d.Dir, &syscall.SysProcAttr{Setpgid: true}
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := out.Read(make([]byte, 8)); err != nil {
				t.Fatal(err)
			}
			d.Cut(c.Process.Pid)
			_ = c.Wait()
			raw, _ := os.ReadFile(path)
			if kept := string(raw) == "kept\n"; kept != (name == "synced") {
				t.Errorf("round %d: a file that was %s holds %q after the cut", round, name, raw)
			}
			_ = os.Remove(path)
		}
	}
}
