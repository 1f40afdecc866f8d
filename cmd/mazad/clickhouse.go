package main

import (
	"os"
	"path/filepath"

	"mazad/reporting/embedded"

	"github.com/spf13/cobra"
)

// clickhouseCommand is the child process that serve starts for reports; with
// flags it can be run by hand.
func clickhouseCommand() *cobra.Command {
	var cfg embedded.Config
	c := &cobra.Command{
		Use: "clickhouse", Short: "Run the embedded ClickHouse by itself (serve starts it as a child)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cfg.DataDir == "" {
				return embedded.ServeChild(cmd.Context(), os.Stdin, os.Stdout)
			}
			if cfg.Token == "" {
				cfg.Token = os.Getenv("MAZAD_CLICKHOUSE_TOKEN")
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			if cfg.Lib, err = embedded.FindLibrary(cfg.Lib, engineRoots(self)...); err != nil {
				return err
			}
			cfg.Ready = func(addr, version string) {
				cmd.Printf("ClickHouse %s listens on http://%s; the password is in MAZAD_CLICKHOUSE_TOKEN\n", version, addr)
			}
			return embedded.Serve(cmd.Context(), cfg)
		},
	}
	c.Flags().StringVar(&cfg.DataDir, "data-dir", "", "folder of the tables; one process at a time")
	c.Flags().StringVar(&cfg.Addr, "listen", "127.0.0.1:8123", "loopback address")
	c.Flags().StringVar(&cfg.Lib, "lib", "", "path of libchdb; default: where `make engines` puts it")
	return c
}

// engineRoots are the folders where `make engines` may have put libchdb: below
// the working directory, and below the checkout that the binary was built in.
func engineRoots(self string) []string {
	const npm = "reporting/embedded/npm"
	return []string{filepath.FromSlash(npm), filepath.Join(filepath.Dir(filepath.Dir(self)), filepath.FromSlash(npm))}
}
