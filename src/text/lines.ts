// Lines out of a pipe.

/**
 * The lines of a stream of UTF-8, without what follows the last newline.
 *
 * @throws RangeError for a line of more than `longest` bytes; whatever the stream throws.
 */
export async function* readLines(stream: AsyncIterable<Uint8Array>, longest: number): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      checkLength(length + end - start, longest);
      parts.push(chunk.subarray(start, end));
      yield Buffer.concat(parts).toString("utf8");
      parts = [];
      length = 0;
      start = end + 1;
    }
    length += chunk.length - start;
    checkLength(length, longest);
    if (start < chunk.length) parts.push(chunk.subarray(start));
  }
}

function checkLength(length: number, longest: number): void {
  if (length > longest) throw new RangeError(`a line is longer than ${longest} bytes`);
}
