// FerretDB 1.24 with its SQLite backend, as the tests start it: `ferretdb FOLDER`.
//
// It prints the URL that it listens on, and ends when its standard input does: however the process
// that started it ends, no server stays behind. (FerretDB's own command cannot be built as a module
// of others: it panics without a file that only its build script makes.)
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	// At the level of warnings it prints every answer that is an error.
	handler := slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})
	server, err := ferretdb.New(&ferretdb.Config{
		Listener: ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:   slog.New(handler),
		Handler:  "sqlite",
		// What was answered must outlive a kill of the process, not of the machine.
		SQLiteURL: "file:" + os.Args[1] + "/?_pragma=synchronous(off)",
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(server.MongoDBURI())

	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := server.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
