//go:build !linux

package node

import (
	"errors"
	"os/exec"
)

func startOn(c *exec.Cmd, _ []int) error { return c.Start() }

// Pin is for Linux.
func Pin([]int) (undo func(), err error) {
	return nil, errors.New("processors can be assigned on Linux only")
}
