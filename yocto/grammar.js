// Parses recipes by the grammar of Yocto's own language server (npm: language-server-bitbake); exit code 1 if it fails.
//   NODE_PATH=.../node_modules node yocto/grammar.js FILE...
const fs = require("fs");
const Parser = require("web-tree-sitter");

// The first wrong node of each branch: what comes below it says no more.
function* wrong(node) {
    if (node.isError || node.isMissing) {
        yield node;
    } else {
        for (const child of node.children) yield* wrong(child);
    }
}

async function main(files) {
    await Parser.init();
    const parser = new Parser();
    parser.setLanguage(await Parser.Language.load(require.resolve("language-server-bitbake/tree-sitter-bitbake.wasm")));
    for (const file of files) {
        for (const node of wrong(parser.parse(fs.readFileSync(file, "utf8")).rootNode)) {
            console.log(`${file}:${node.startPosition.row + 1}: ${node.text.split("\n")[0].slice(0, 80)}`);
            process.exitCode = 1;
        }
    }
}

main(process.argv.slice(2));
