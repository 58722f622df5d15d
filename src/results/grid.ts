import stringWidth from 'string-width';

const GAP = '  ';

export interface GridColumn {
  readonly label: string;
  /** Numbers stand right, so that their digits do. */
  readonly align: 'left' | 'right';
}

/** A header and one line for each record; every cell is safe for a terminal already. */
export function drawGrid(columns: readonly GridColumn[], cells: readonly (readonly string[])[]): string[] {
  const records = [columns.map(({ label }) => label), ...cells];
  const widths = columns.map((_, index) =>
    Math.max(...records.map((record) => stringWidth(record[index] ?? ''))),
  );
  return records.map((record) =>
    columns
      .map(({ align }, index) => {
        const text = record[index] ?? '';
        const room = ' '.repeat((widths[index] ?? 0) - stringWidth(text));
        return align === 'right' ? room + text : text + room;
      })
      .join(GAP)
      .trimEnd(),
  );
}
