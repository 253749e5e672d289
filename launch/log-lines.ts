import { styleText } from 'node:util';
import pretty from 'pino-pretty';

const COLOURS = ['cyan', 'magenta', 'blue', 'green', 'yellow'] as const;
const NAME_WIDTH = 10;

/** Turns the JSON lines of a process into readable ones, each with the name of the process in front. */
export function createLineFormatter(
  name: string,
  index: number,
  colorize: boolean,
): (line: string) => string {
  const format = pretty.prettyFactory({
    colorize,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname,service,name',
    singleLine: true,
  });
  const padded = name.padEnd(NAME_WIDTH);
  const prefix = colorize
    ? styleText(COLOURS[index % COLOURS.length] ?? 'cyan', padded, { validateStream: false })
    : padded;
  return (line) => {
    const text = line.startsWith('{') ? format(line) : `${line}\n`;
    return text
      .trimEnd()
      .split('\n')
      .map((row) => `${prefix} ${row}\n`)
      .join('');
  };
}
