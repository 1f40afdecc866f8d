package main

import (
	"path/filepath"
	"testing"

	"mazad/internal/powertest"
)

// TestAFullDiskLeavesNoHalfASecret: the start after the disk was full finds no
// file that stops it.
func TestAFullDiskLeavesNoHalfASecret(t *testing.T) {
	disk := powertest.Tmpfs(t, "size=64k")
	disk.Fill()
	file := filepath.Join(disk.Dir, "token.key")
	if _, err := secret("", file, "the token key"); err == nil {
		t.Fatal("a key was made on a full disk")
	}
	disk.Free()
	made, err := secret("", file, "the token key")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := secret("", file, "the token key"); err != nil || string(again) != string(made) {
		t.Errorf("the key is another one when it is read again: %v", err)
	}
}
