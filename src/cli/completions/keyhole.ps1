Register-ArgumentCompleter -Native -CommandName keyhole -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $typed = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
    Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  # Windows PowerShell passes no empty word to a program.
  $current = if ($wordToComplete) { "$wordToComplete" } else { '""' }
  keyhole completion words -- @typed $current 2>$null | ForEach-Object {
    $word, $description = $_ -split "`t", 2
    $shown = if ($description) { $description } else { $word }
    [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $shown)
  }
}
