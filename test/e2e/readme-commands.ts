/** The commands that the README asks its reader to type. */

/** Of every fenced `sh` block, in order; a line that ends with a backslash goes on in the next. */
export function commandsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) =>
    block
      .replaceAll(/\\\n\s*/g, '')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#')),
  );
}

/** Commands in a block that is not marked `sh`, where `commandsOf` does not see them. */
export function hiddenCommandsIn(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^ *```(.*)\n([\s\S]*?)^ *```$/gm)];
  return blocks
    .filter(([block, language]) => language !== 'sh' || block.startsWith(' '))
    .flatMap(([, , block = '']) => block.split('\n'))
    .filter((line) => /^\s*(?:\$|npm|npx|node|curl|docker)\s/.test(line));
}

/** Of every `npm …` and `npm run …`, also of those in the text. */
export function scriptsNamedIn(markdown: string): string[] {
  const named = [...markdown.matchAll(/(?:^|`)npm (?:run )?([a-z][a-z:-]*)/gm)].map(([, name = '']) => name);
  return [...new Set(named)];
}
