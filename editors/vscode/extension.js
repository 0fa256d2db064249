// Starts `prybee lsp` for bpftrace scripts; everything else is the language server's.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const settings = workspace.getConfiguration("prybee");
  client = new LanguageClient(
    "prybee",
    "prybee",
    { command: settings.get("command"), args: ["lsp"] },
    {
      documentSelector: [{ language: "bpftrace" }],
      initializationOptions: { target: settings.get("target") },
    },
  );
  return client.start();
};

exports.deactivate = () => client && client.stop();
