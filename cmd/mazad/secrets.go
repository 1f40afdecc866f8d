package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// secret finds a key of at least 32 bytes: the environment first, then the
// file, which is made with a random key where it is missing.
func secret(env, file, what string) ([]byte, error) {
	if env != "" {
		if v := os.Getenv(env); v != "" {
			b, err := hex.DecodeString(strings.TrimSpace(v))
			if err != nil || len(b) < 32 {
				return nil, fmt.Errorf("%s: the environment variable %s must hold at least 64 hexadecimal digits (32 bytes), it holds %d characters", what, env, len(v))
			}
			return b, nil
		}
	}
	raw, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newSecretFile(file, what)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil || len(b) < 32 {
		return nil, fmt.Errorf("%s: %s must hold at least 64 hexadecimal digits (32 bytes)", what, file)
	}
	return b, nil
}

func newSecretFile(file, what string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	_, err = f.WriteString(hex.EncodeToString(b) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("%s: write %s: %w", what, file, err)
	}
	return b, nil
}
