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

	"mazad/internal/failpoint"
	"mazad/internal/sqldb"
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

// secretNotNamed is where a test ends the process: a new secret is written, but
// not yet under its name.
var secretNotNamed = failpoint.New("secret.not-named")

// newSecretFile makes the file whole or not at all: half a key, left by a full
// disk or a power cut, would stop every later start.
func newSecretFile(file, what string) ([]byte, error) {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	b := make([]byte, 32)
	_, _ = rand.Read(b)                                    // never fails
	f, err := os.CreateTemp(dir, filepath.Base(file)+".*") // for its owner alone
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	_, err = f.WriteString(hex.EncodeToString(b) + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	secretNotNamed.Hit()
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: write %s: %w", what, file, errors.Join(err, os.Remove(f.Name())))
	}
	if err := syncDir(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return b, nil
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// maxPassword is the longest password that is read from a file.
const maxPassword = 4096

// storePassword finds the password for store.url: the environment first, then
// the file. There may be none: a socket or a certificate needs none.
func (c *Config) storePassword() (string, error) {
	if env := c.Secrets.StorePasswordEnv; env != "" {
		if v := os.Getenv(env); v != "" {
			return v, nil
		}
	}
	if c.Secrets.StorePasswordFile == "" {
		return "", nil
	}
	raw, err := os.ReadFile(c.Secrets.StorePasswordFile)
	if err != nil {
		return "", fmt.Errorf("secrets.store_password_file: %w", err)
	}
	password := strings.TrimRight(string(raw), "\r\n")
	if password == "" || len(password) > maxPassword {
		return "", fmt.Errorf("secrets.store_password_file: %s holds %d bytes, want 1 to %d", c.Secrets.StorePasswordFile, len(password), maxPassword)
	}
	return password, nil
}

// storeConfig says where the database is.
func (c *Config) storeConfig() (sqldb.Config, error) {
	cfg := sqldb.Config{Dir: c.DataDir, URL: c.Store.URL}
	if c.Store.URL == "" {
		return cfg, nil
	}
	var err error
	cfg.Secret, err = c.storePassword()
	return cfg, err
}
